"""See `domains.base.Domain`: service, views and ui of this tab."""
