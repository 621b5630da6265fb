"""What does CRM Online do with a document: decide, save, answer, recover?"""
