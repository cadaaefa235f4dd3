//! Ring buffer bytes become typed events; bounds are checked here and nowhere else.
