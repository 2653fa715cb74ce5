"""Questions asked of samples and of trainings."""
