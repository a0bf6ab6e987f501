//! The built book in memory. What is not in it cannot be asked for, so no
//! address leads to any other file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use anyhow::Context as _;
use bytes::Bytes;

/// The nonce stands here in a page until the page is sent. It cannot be typed:
/// no text of a book has a NUL.
const NONCE: &str = "\0nonce\0";

/// What is added to each page: the panel, the progress, the reload.
const ADDED: &str =
    "<link rel=\"stylesheet\" href=\"/-/live.css\">\n<script src=\"/-/live.js\"></script>\n</body>";

/// Every file of the book, by its address without the leading slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pages(BTreeMap<String, Bytes>);

impl Pages {
    /// Reads a folder into which a book was built.
    ///
    /// # Errors
    /// Where something in it cannot be read.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut pages = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            let cannot = || format!("cannot read the built book in {}", next.display());
            for entry in fs::read_dir(&next).with_context(cannot)? {
                let path = entry.with_context(cannot)?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let content = fs::read(&path).with_context(cannot)?;
                    let name = address(path.strip_prefix(folder)?);
                    pages.insert(name.clone(), dressed(&name, content));
                }
            }
        }
        Ok(Self(pages))
    }

    /// A page or file, by the path of its address, and its type. A folder is its
    /// `index.html`.
    pub fn get(&self, path: &str) -> Option<(&str, Bytes)> {
        let name = path.strip_prefix('/')?;
        let name = if name.is_empty() || name.ends_with('/') {
            format!("{name}index.html")
        } else {
            name.to_owned()
        };
        let (name, content) = self.0.get_key_value(&name)?;
        Some((media_type(name), content.clone()))
    }

    /// The addresses whose content is another one in `newer`, or that only one has.
    pub fn changed(&self, newer: &Self) -> Vec<String> {
        let names = self.0.keys().chain(newer.0.keys());
        let mut changed: Vec<_> = names
            .filter(|name| self.0.get(*name) != newer.0.get(*name))
            .cloned()
            .collect();
        changed.sort();
        changed.dedup();
        changed
    }
}

/// A page with this nonce on each of its scripts.
pub fn with_nonce(page: &Bytes, nonce: &str) -> Bytes {
    match std::str::from_utf8(page) {
        Ok(text) => text.replace(NONCE, nonce).into(),
        Err(_) => page.clone(),
    }
}

fn dressed(name: &str, content: Vec<u8>) -> Bytes {
    // The bare table of contents is framed by pages that are dressed.
    if !name.ends_with(".html") || name == "toc.html" {
        return content.into();
    }
    match String::from_utf8(content) {
        Ok(page) => {
            let page = page
                .replace('\0', "")
                .replace("</body>", ADDED)
                .replace("<script", &format!("<script nonce=\"{NONCE}\""));
            page.into()
        }
        Err(other) => other.into_bytes().into(),
    }
}

fn address(path: &Path) -> String {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(files: &[(&str, &str)]) -> Pages {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, content).expect("a file");
        }
        Pages::read(folder.path()).expect("readable")
    }

    #[test]
    fn a_folder_is_its_index_and_nothing_is_outside() {
        let pages = pages(&[
            ("index.html", "top"),
            ("a/index.html", "a"),
            ("a/b.css", "b"),
        ]);
        let content = |path| pages.get(path).map(|(_, content)| content);
        assert_eq!(content("/"), Some("top".into()));
        assert_eq!(content("/a/"), Some("a".into()));
        assert_eq!(content("/a/b.css"), Some("b".into()));
        for outside in [
            "",
            "a/b.css",
            "/a",
            "/../a/b.css",
            "/a/../index.html",
            "//index.html",
            "/%2e%2e/a",
            "/a\\b.css",
        ] {
            assert_eq!(content(outside), None, "{outside}");
        }
    }

    #[test]
    fn every_script_of_a_page_gets_the_nonce() {
        let pages = pages(&[(
            "p.html",
            "<body><script>1</script><script src=x></script></body>",
        )]);
        let (kind, page) = pages.get("/p.html").expect("a page");
        let page = with_nonce(&page, "N");
        let page = std::str::from_utf8(&page).expect("text");
        assert_eq!(kind, "text/html; charset=utf-8");
        assert_eq!(page.matches("<script nonce=\"N\"").count(), 3, "{page}");
        assert!(!page.contains('\0'), "{page}");
    }

    #[test]
    fn what_changed_is_named() {
        let older = pages(&[("a.css", "1"), ("b.css", "1"), ("c.css", "1")]);
        let newer = pages(&[("a.css", "1"), ("b.css", "2"), ("d.css", "1")]);
        assert_eq!(older.changed(&newer), ["b.css", "c.css", "d.css"]);
    }
}
