//! Reads the package's sources and finds what each file uses of the others. Knows nothing of rooms.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// The name by which the binary uses the library.
const LIBRARY: &str = "feishu_export_watcher";

/// Where the binary's own modules stand among those of the library.
const BINARY: &str = "bin";

/// A path from the root of the package: the segments of a module, or of an item in it.
type Segments = Vec<String>;

/// One file uses another.
pub(crate) struct Import {
    /// The module of the file, as `engine::gate`; empty for `lib.rs`.
    pub(crate) from: String,
    /// The module that defines what is used.
    pub(crate) to: String,
    /// What is used.
    pub(crate) path: String,
    /// Whether it is only handed on (`pub use`).
    pub(crate) is_reexport: bool,
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} uses {}", self.from, self.path)
    }
}

/// A path that a file names, from the root.
struct Named {
    path: Segments,
    is_reexport: bool,
}

/// Everything that a file names, and the names under which it hands things on.
struct Source {
    module: Segments,
    named: Vec<Named>,
    reexports: BTreeMap<String, Segments>,
}

/// All imports between files of the package.
pub(crate) fn imports() -> Vec<Import> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &[], &mut files);
    let modules: BTreeSet<Segments> = files.iter().map(|(module, _)| module.clone()).collect();
    let sources: Vec<Source> =
        files.into_iter().map(|(module, text)| Source::read(module, &text, &modules)).collect();
    let reexports: BTreeMap<_, _> =
        sources.iter().map(|source| (source.module.clone(), &source.reexports)).collect();
    let mut imports = Vec::new();
    for source in &sources {
        for named in &source.named {
            let to = definer(named.path.clone(), &modules, &reexports);
            if to != source.module {
                imports.push(Import {
                    from: source.module.join("::"),
                    to: to.join("::"),
                    path: named.path.join("::"),
                    is_reexport: named.is_reexport,
                });
            }
        }
    }
    imports
}

/// The files of a folder that are not made for tests, as modules.
fn collect(folder: &Path, module: &[String], files: &mut Vec<(Segments, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if ["tests", "fixtures", "testing", "test_server", "testdata"].contains(&name.as_str()) {
            continue;
        }
        let inner = [module, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            let is_binary = module == [BINARY] && name == env!("CARGO_PKG_NAME");
            let inner = if is_binary { module.to_vec() } else { inner };
            collect(&path, &inner, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_root = ["mod", "lib", "main"].contains(&name.as_str());
            files.push((if is_root { module.to_vec() } else { inner }, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The module that defines what the path names: re-exports are followed.
fn definer(
    mut path: Segments,
    modules: &BTreeSet<Segments>,
    reexports: &BTreeMap<Segments, &BTreeMap<String, Segments>>,
) -> Segments {
    loop {
        let length = (0..=path.len()).rev().find(|length| modules.contains(&path[..*length])).unwrap_or(0);
        let module = path[..length].to_vec();
        let handed_on = path.get(length).and_then(|name| reexports.get(&module)?.get(name));
        match handed_on {
            Some(target) if *target != path => path = [target, &path[length + 1..]].concat(),
            _ => return module,
        }
    }
}

impl Source {
    fn read(module: Segments, text: &str, modules: &BTreeSet<Segments>) -> Self {
        let mut reader =
            Reader { modules, source: Self { module, named: Vec::new(), reexports: BTreeMap::new() } };
        reader.visit_file(&syn::parse_file(text).unwrap());
        reader.source
    }
}

struct Reader<'a> {
    modules: &'a BTreeSet<Segments>,
    source: Source,
}

impl Reader<'_> {
    /// The path from the root, if it leads to this package.
    fn absolute(&self, path: &[String]) -> Option<Segments> {
        let module = &self.source.module;
        let root = if module.first().is_some_and(|first| first == BINARY) { &module[..1] } else { &[] };
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some([root, rest].concat()),
            LIBRARY => Some(rest.to_vec()),
            "self" => Some([module, rest].concat()),
            "super" => {
                let mut parent = module[..module.len().saturating_sub(1)].to_vec();
                let mut rest = rest;
                while let Some((up, deeper)) = rest.split_first()
                    && up == "super"
                {
                    parent.pop();
                    rest = deeper;
                }
                Some([&parent, rest].concat())
            }
            child => {
                let inner = [module.as_slice(), &[child.to_owned()]].concat();
                self.modules.contains(&inner).then(|| [&inner, rest].concat())
            }
        }
    }

    fn name(&mut self, path: &[String], is_reexport: bool) {
        if let Some(path) = self.absolute(path) {
            self.source.named.push(Named { path, is_reexport });
        }
    }

    fn tree(&mut self, tree: &UseTree, prefix: &[String], is_reexport: bool) {
        let (name, shown) = match tree {
            UseTree::Path(path) => {
                let prefix = [prefix, &[path.ident.to_string()]].concat();
                return self.tree(&path.tree, &prefix, is_reexport);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.tree(tree, prefix, is_reexport));
            }
            UseTree::Glob(_) => return self.name(prefix, is_reexport),
            UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(rename) => (rename.ident.to_string(), rename.rename.to_string()),
        };
        let path = if name == "self" { prefix.to_vec() } else { [prefix, &[name]].concat() };
        if is_reexport && let Some(path) = self.absolute(&path) {
            self.source.reexports.insert(shown, path);
        }
        self.name(&path, is_reexport);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.source.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.source.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.tree(&item.tree, &[], !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments: Segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.name(&segments, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        let text = item.tokens.to_string().replace(" :: ", "::");
        for path in text.split(|character: char| !character.is_alphanumeric() && !"_:".contains(character)) {
            let segments: Segments = path.split("::").map(str::to_owned).collect();
            if segments.len() > 1 {
                self.name(&segments, false);
            }
        }
    }
}

/// `#[cfg(test)]`, alone or with a feature.
fn is_for_tests(attribute: &Attribute) -> bool {
    let text = match &attribute.meta {
        syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
        _ => return false,
    };
    text == "test" || text.starts_with("all (test") || text.starts_with("all(test")
}
