"""What the pages of the order side read. Nothing here writes; pages that join apps are read here too."""
