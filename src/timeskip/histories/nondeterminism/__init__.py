"""Why a replay asked for something else than its history says, found out and told to a person."""
