"""WA, UA, tables and confidence intervals."""
