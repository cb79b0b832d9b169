//! Statistics of shares.
