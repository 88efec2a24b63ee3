# What the log is to say: lines of a level (`I` or `W`), a tab and a text.


def report(lines):
    """As one text that UTF-8 can carry; what an exception says may have lines of its own."""
    text = "\n".join(" ".join(line.split("\n")) for line in lines)
    return text.encode("utf-8", "backslashreplace").decode()
