//! One value for each endpoint of the API: budgets, gates and counters differ by endpoint in their values only.

use std::ops::{Index, IndexMut};

use super::Endpoint;

/// One value for each [`Endpoint`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerEndpoint<T>([T; Endpoint::ALL.len()]);

impl<T> PerEndpoint<T> {
    /// Makes the value of each endpoint.
    #[must_use]
    pub fn from_fn(mut make: impl FnMut(Endpoint) -> T) -> Self {
        Self(std::array::from_fn(|place| make(Endpoint::ALL[place])))
    }

    /// Every endpoint with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Endpoint, &T)> {
        Endpoint::ALL.iter().copied().zip(&self.0)
    }

    /// Every endpoint with its value, to change it.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Endpoint, &mut T)> {
        Endpoint::ALL.iter().copied().zip(&mut self.0)
    }
}

impl<T> Index<Endpoint> for PerEndpoint<T> {
    type Output = T;

    fn index(&self, endpoint: Endpoint) -> &T {
        &self.0[endpoint as usize]
    }
}

impl<T> IndexMut<Endpoint> for PerEndpoint<T> {
    fn index_mut(&mut self, endpoint: Endpoint) -> &mut T {
        &mut self.0[endpoint as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Promise: what is counted for an endpoint is counted under its own name.
    #[test]
    fn every_endpoint_has_its_own_value() {
        let mut values = PerEndpoint::from_fn(Endpoint::as_str);
        assert!(values.iter().all(|(endpoint, name)| endpoint.as_str() == *name));
        assert!(Endpoint::ALL.iter().all(|endpoint| values[*endpoint] == endpoint.as_str()));
        values[Endpoint::Token] = "changed";
        assert_eq!(values[Endpoint::Query], "query");
        values.iter_mut().for_each(|(_, value)| *value = "all");
        assert_eq!(values, PerEndpoint::from_fn(|_| "all"));
    }
}
