"""Is all well between CRM and the ERP, and behind it?"""
