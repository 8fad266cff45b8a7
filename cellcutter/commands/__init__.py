"""What people type: the commands, their options, errors to exit statuses."""
