"""Have a fresh broker make what it makes at the first use, before anybody is in a hurry."""

from typing import Final

from chassis import kafka
from chassis.kafka import KafkaUnavailable
from chassis.settings import KafkaSettings
from hooklane.exits import NETWORK, CommandFailed

CLIENT_ID: Final = "hooklane-dev"


async def open_transactions(settings: KafkaSettings, prefix: str) -> None:
    """Claim an id that nobody uses: the first claim of a broker waits for a topic of its own.

    A node of ours did that at its start; a broker of somebody else may be as fresh. The id begins
    like those of the registry's writers, so no right is needed that they have not.
    """
    claimant = kafka.producer(
        settings, client_id=CLIENT_ID, transactional_id=f"{prefix}-registry-dev"
    )
    try:
        await kafka.start(claimant)
    except KafkaUnavailable as error:
        servers = ",".join(settings.bootstrap_servers)
        raise CommandFailed(NETWORK, f"Kafka at {servers} takes no transactions") from error
    finally:
        await kafka.retire(claimant)
