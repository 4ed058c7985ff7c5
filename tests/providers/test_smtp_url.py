import pytest

from providers.mail.smtp_url import SmtpServer, SmtpUrlInvalid, read_smtp_url


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer(host="mail.example", port=25, starttls="optional")),
        ("smtp://mail.example:2525", SmtpServer(host="mail.example", port=2525, starttls="optional")),
        (
            "smtp://us%40er:p%2Fw@mail.example",
            SmtpServer(host="mail.example", port=587, user="us@er", password="p/w", starttls="required"),
        ),
        (
            "smtp://u:p@mail.example?starttls=never",
            SmtpServer(host="mail.example", port=587, user="u", password="p", starttls="never"),
        ),
        (
            "smtps://u:p@mail.example",
            SmtpServer(host="mail.example", port=465, user="u", password="p", tls=True, starttls="never"),
        ),
        ("smtp://127.0.0.1:1025", SmtpServer(host="127.0.0.1", port=1025, starttls="never")),
        ("smtp://[::1]:1025", SmtpServer(host="::1", port=1025, starttls="never")),
        ("smtp://localhost:1025?starttls=required", SmtpServer(host="localhost", port=1025, starttls="required")),
    ],
)
def test_a_url_says_where_and_how(url: str, server: SmtpServer) -> None:
    assert read_smtp_url(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://:25",
        "smtp://secret:pw@mail.example:port",
        "smtp://secret:pw@mail.example:99999",
        "smtp://secret@mail.example",
        "smtp://secret:pw@mail.example/path",
        "smtp://secret:pw@mail.example?startls=required",
        "smtp://secret:pw@mail.example?starttls=sometimes",
        "smtps://secret:pw@mail.example?starttls=required",
        "smtp://[secret",
    ],
)
def test_anything_else_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(SmtpUrlInvalid) as refusal:
        read_smtp_url(url)
    assert "secret" not in refusal.value.detail


def test_a_server_does_not_show_its_password() -> None:
    assert "sesame" not in repr(read_smtp_url("smtp://u:sesame@mail.example"))
