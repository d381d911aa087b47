"""The language of Chinese pages, for browsers to choose glyphs and voices by."""


def on_post_page(output, page, config):
    """``lang`` of the page, where it is not the site's."""
    if page.file.src_uri.endswith(".zh.md"):
        return output.replace('<html lang="en"', '<html lang="zh-Hans"', 1)
    return output
