//! Evaluation: data files, attacks, judges, measures of quality.

mod attacks;
mod classification;
mod comparison;
mod comparison_settings;
mod containers;
mod costs;
mod data;
mod faults;
mod files;
mod foreign;
mod inputs;
mod judges;
mod kept_items;
mod labels;
mod layouts;
mod models;
mod pairs;
#[cfg(feature = "parquet")]
mod parquet;
mod public_data;
mod quality;
mod ranking;
mod regression;
mod sets;
