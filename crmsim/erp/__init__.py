"""What happens behind CRM: booking, delivering, billing?"""
