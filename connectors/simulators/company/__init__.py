"""A made-up company, `acme`: people, teams, code host and issue tracker, all derived from one seed and one epoch."""

from connectors.simulators.company.build import Company, build_company
from connectors.simulators.company.forge import Forge
from connectors.simulators.company.model import Person, Repository, Team
from connectors.simulators.company.tracker import Tracker

__all__ = ["Company", "Forge", "Person", "Repository", "Team", "Tracker", "build_company"]
