"""Mail submission by SMTP (RFC 6409)."""
