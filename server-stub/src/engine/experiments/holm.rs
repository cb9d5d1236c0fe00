//! Several variants against one control: each more is one more chance to be wrong.

/// Holm's adjusted p-values (S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
/// Statistics 6, 1979), in the order given. Comparing them with α keeps the chance of any wrong finding below α. What is no
/// number counts as 1, and still counts as one of the family.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let clean = |p: f64| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) };
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| clean(p_values[*a]).total_cmp(&clean(p_values[*b])));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, at) in order.into_iter().enumerate() {
        let left = (p_values.len() - rank) as f64;
        largest = largest.max((clean(p_values[at]) * left).min(1.0));
        adjusted[at] = largest;
    }
    adjusted
}
