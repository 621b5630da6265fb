"""What is spoken at each border? Records only; no file here imports another.

CRM and laptops speak BDocs, CRM and ERP speak BAPI structures: the ERP does not know BDocs.
"""
