"""How does the ERP post what comes of service orders, confirmations, complaints and bills?"""
