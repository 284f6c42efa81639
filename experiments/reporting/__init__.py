"""The report: a section is a function from what a run has left behind to text, tables and figures."""
