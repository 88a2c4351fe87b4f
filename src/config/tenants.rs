//! `[tenants.NAME]`: organisations and how many calls a month they may make. Which apps belong to one stands at the
//! apps.

use std::cell::Cell;
use std::sync::Arc;

use toml::de::DeValue;

use super::section::{Field, Section, is_word};
use crate::domain::{Tenant, near_miss};

pub(super) const TENANT_KEYS: &[&str] = &["monthly_calls"];

/// Characters of a name at most.
const NAME_MAX: usize = 128;

/// Calls a month at most; the largest quota that was ever granted is a thousandth of it.
const CALLS_MAX: u32 = 1_000_000_000;

/// Names that a message lists at most.
const LISTED_MAX: usize = 10;

/// The tenants of a file, and which of them an app names.
pub(super) struct Tenants<'d>(Vec<Listed<'d>>);

struct Listed<'d> {
    field: Field<'d>,
    /// None if its section has an error.
    tenant: Option<Arc<Tenant>>,
    is_named: Cell<bool>,
}

/// Reads every tenant below `[tenants]`; no file needs one.
pub(super) fn read<'d>(root: &Section<'d>) -> Tenants<'d> {
    let expected = "a section for each tenant, such as [tenants.acme]";
    let section = root.field("tenants").and_then(|field| match field.value {
        DeValue::Table(table) => Some(field.section(table, &[])),
        _ => field.unexpected(expected),
    });
    let listed = |field: Field<'d>| {
        let tenant = read_tenant(&field).map(Arc::new);
        Listed { field, tenant, is_named: Cell::new(false) }
    };
    Tenants(section.iter().flat_map(Section::fields).map(listed).collect())
}

fn read_tenant(field: &Field<'_>) -> Option<Tenant> {
    let is_good = is_word(field.key, NAME_MAX, b"-_");
    if !is_good {
        field.error::<()>(|| format!("a tenant's name is 1 to {NAME_MAX} letters, digits, `-` and `_`"));
    }
    let DeValue::Table(table) = field.value else {
        return field.error(|| "expected a section for each tenant, such as [tenants.acme]".to_owned());
    };
    let monthly_calls = field.section(table, TENANT_KEYS).count("monthly_calls", CALLS_MAX)?;
    is_good.then(|| Tenant { name: field.key.into(), monthly_calls: u64::from(monthly_calls.get()) })
}

impl Tenants<'_> {
    /// The tenant that an app's `field` names; none if that is unknown, or has an error.
    pub(super) fn find(&self, field: &Field<'_>) -> Option<Arc<Tenant>> {
        let name = field.text("the name of a tenant in quotes")?;
        let Some(listed) = self.0.iter().find(|listed| listed.field.key == name) else {
            return field.error(|| format!("`tenant`: {}", self.advice(name)));
        };
        listed.is_named.set(true);
        listed.tenant.clone()
    }

    /// Warns of tenants that no app names.
    pub(super) fn warn_of_unnamed(&self) {
        let is_unnamed = |listed: &&Listed<'_>| listed.tenant.is_some() && !listed.is_named.get();
        for Listed { field, .. } in self.0.iter().filter(is_unnamed) {
            field.warning(|| {
                format!(
                    "no app belongs to this tenant, so its quota is not watched; put tenant = \"{}\" into the \
                     sections of its apps",
                    field.key
                )
            });
        }
    }

    /// The name itself is not repeated: it is a value of `watcher.toml`.
    fn advice(&self, name: &str) -> String {
        let names: Vec<_> =
            self.0.iter().filter(|it| it.tenant.is_some()).map(|listed| listed.field.key).collect();
        match near_miss(name, names.iter().copied()) {
            Some(near) => format!("no section [tenants.…] has that name; did you mean `{near}`?"),
            None if names.is_empty() => {
                "there is no section [tenants.…] of that name; add one with monthly_calls".to_owned()
            }
            None => {
                let more = if names.len() > LISTED_MAX { " …" } else { "" };
                let names: Vec<_> = names.iter().take(LISTED_MAX).map(|name| format!("`{name}`")).collect();
                format!("no section [tenants.…] has that name; the file has {}{more}", names.join(", "))
            }
        }
    }
}
