"""What every command and worker stands on: errors, files, options, machine and progress."""
