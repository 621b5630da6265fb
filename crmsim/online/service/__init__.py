"""What does CRM Online do with service orders, confirmations, complaints and bills?"""
