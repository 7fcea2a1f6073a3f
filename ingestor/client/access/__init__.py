"""Who calls: tokens and sign-ins, and the calls about keys, members, quotas and the audit log."""
