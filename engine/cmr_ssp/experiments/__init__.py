"""Many trainings from one file, and the tables of their scores; one training is a job."""
