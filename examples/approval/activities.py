from dataclasses import dataclass

from temporalio import activity


@dataclass(frozen=True)
class Message:
    to: str
    text: str


@activity.defn
async def send_message(message: Message) -> None:
    activity.logger.info("To %s: %s", message.to, message.text)
