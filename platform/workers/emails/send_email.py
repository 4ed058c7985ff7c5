"""The handler of `emails.send`."""

from domain.emails.message import compose
from domain.emails.send_email import EmailSent, SendEmail
from workers.context import Context


async def send_email(email: SendEmail, ctx: Context) -> EmailSent:
    """Send `email` once, or seldom twice with the same Message-ID: when an attempt dies after the server took it."""
    mail = compose(email, message_id=ctx.stable_id("msg"), sender=ctx.use.mail_from)
    delivered = await ctx.use.mail.send(mail)
    ctx.use.kill_points.reach("smtp.after_250", (ctx.job.id,))
    return EmailSent(message_id=mail.message_id, accepted=delivered.accepted, refused=delivered.refused)
