//! Where in a result a page stands.
//!
//! A page state leads forward only, so a place remembers the states it came by: the last one is its own, those before it
//! lead back. All of it is in the link. What is too long for a link loses its oldest states: from there, only the
//! first page and the browser's history lead back.

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use ilium_store::{Error, ErrorKind, PageState, Result};

use crate::form::Fields;

/// Characters of all states in a link. An HTTP/2 server of ours takes 16 KiB of headers, the target among them.
const LINK_CHARACTERS: usize = 8 << 10;

/// The field with the number of the page, from 1.
pub const PAGE: &str = "page";

/// The field with the states, in URL-safe base64, points between them.
pub const STATES: &str = "states";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// For people; nothing depends on it.
    pub page: u32,
    /// Oldest first; of the first page there is none.
    states: Vec<String>,
}

impl Place {
    pub fn first() -> Place {
        Place { page: 1, states: Vec::new() }
    }

    pub fn of(fields: &Fields) -> Place {
        let states: Vec<String> =
            fields.get(STATES).split('.').filter(|state| !state.is_empty()).map(str::to_owned).collect();
        match (states.is_empty(), fields.get(PAGE).parse()) {
            (true, _) => Place::first(),
            (false, Ok(page)) if page > 1 => Place { page, states },
            (false, _) => Place { page: 2, states },
        }
    }

    pub fn is_first(&self) -> bool {
        self.states.is_empty()
    }

    /// What the store is to go on from.
    pub fn state(&self) -> Result<Option<PageState>> {
        let Some(state) = self.states.last() else { return Ok(None) };
        let bytes = BASE64URL_NOPAD.decode(state.as_bytes());
        let bytes =
            bytes.map_err(|_| Error::new(ErrorKind::Protocol, "Invalid value for the paging state"))?;
        Ok(Some(PageState(Bytes::from(bytes))))
    }

    /// The page after this one, or nothing if its state alone is too long for a link.
    pub fn next(&self, state: &PageState) -> Option<Place> {
        let state = BASE64URL_NOPAD.encode(&state.0);
        let mut left = LINK_CHARACTERS.checked_sub(state.len())?;
        let kept = self.states.iter().rev().take_while(|state| {
            let fits = left.checked_sub(state.len() + 1);
            left = fits.unwrap_or_default();
            fits.is_some()
        });
        let mut states: Vec<String> = kept.cloned().collect();
        states.reverse();
        states.push(state);
        Some(Place { page: self.page.saturating_add(1), states })
    }

    /// The page before this one, if the way to it is known.
    pub fn back(&self) -> Option<Place> {
        let (_, before) = self.states.split_last()?;
        if before.is_empty() {
            return (self.page == 2).then(Place::first);
        }
        Some(Place { page: self.page.saturating_sub(1), states: before.to_vec() })
    }

    pub fn states(&self) -> String {
        self.states.join(".")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Uri;

    fn state(byte: u8, length: usize) -> PageState {
        PageState(vec![byte; length].into())
    }

    /// As the place is read back from its link.
    fn followed(place: &Place) -> Place {
        let link = format!("/x?page={}&states={}", place.page, place.states());
        Place::of(&Fields::of_query(&link.parse::<Uri>().unwrap()))
    }

    #[test]
    fn forward_and_back_pass_the_same_pages() {
        let mut places = vec![Place::first()];
        for byte in 1..=5 {
            let next = places.last().unwrap().next(&state(byte, 60)).unwrap();
            assert_eq!(next.state().unwrap(), Some(state(byte, 60)));
            places.push(followed(&next));
        }
        for pair in places.windows(2) {
            assert_eq!(pair[1].back().as_ref(), Some(&pair[0]));
        }
        assert_eq!((places[5].page, Place::first().back()), (6, None));
    }

    #[test]
    fn a_long_way_keeps_its_newest_part_and_a_link_of_bounded_length() {
        let mut place = Place::first();
        for _ in 0..500 {
            place = followed(&place.next(&state(1, 90)).unwrap());
            assert!(place.states().len() <= LINK_CHARACTERS);
        }
        assert_eq!(place.page, 501);
        let mut back = 0;
        while let Some(before) = place.back() {
            (place, back) = (before, back + 1);
        }
        assert!(back > 60 && !place.is_first(), "{back}");
    }

    #[test]
    fn a_state_too_long_for_a_link_has_none() {
        assert_eq!(Place::first().next(&state(1, LINK_CHARACTERS)), None);
    }

    #[test]
    fn what_is_no_base64_is_refused_as_a_page_state() {
        let place = Place::of(&Fields::of_query(&Uri::from_static("/x?page=2&states=*")));
        assert_eq!(place.state().unwrap_err().message, "Invalid value for the paging state");
    }
}
