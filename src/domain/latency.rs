//! HDR histograms and timeout rates of a probe over sliding windows.
