"""What sources read with: where data lie, archives, pickles without their code, JPEG, orders of axes."""
