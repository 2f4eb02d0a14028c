"""Numbers or tokens become scores; nothing here knows of networks. Higher is stranger."""
