"""Small trained heads on a shared trunk, and the command that made each shipped one."""
