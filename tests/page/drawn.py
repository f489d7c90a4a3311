"""What a figure shows, by the names in its legend."""


def lines(picture, label):
    (axes,) = picture.figure.axes
    return [line for line in axes.lines if line.get_label() == label]


def legend(picture):
    legends = [*picture.figure.legends, *filter(None, (axes.get_legend() for axes in picture.figure.axes))]
    return {text.get_text() for legend in legends for text in legend.get_texts()}
