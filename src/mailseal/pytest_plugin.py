"""The pytest plugin that ships with Mailseal: a sandbox for tests of programs that call SES.

Rule: importing it imports nothing heavy; the sandbox comes when a test first asks for it.
"""
