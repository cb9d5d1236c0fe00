// The order of the module's functions. What runs does not care, what compresses does: gzip looks back 32 KB and no further, so functions
// that are alike belong together. 1.2 KB of 53.

/**
 * A module's text with its functions in another order: from the shortest on, next is always the one of which most was there before, by
 * pairs of lines.
 */
export function ordered(module) {
  const functions = module.split(/^(?= \(func )|^(?=\)$)/m);
  const head = functions.shift();
  const end = functions.pop();
  const left = functions.map((text) => ({ text, pairs: pairs(text), known: 0 })).sort((a, b) => a.text.length - b.text.length);
  /** Who has a pair that none before had. */
  const owners = new Map();
  for (const one of left) for (const pair of one.pairs) owners.set(pair, [...(owners.get(pair) ?? []), one]);
  const order = [];
  while (left.length > 0) {
    const shares = left.map(({ pairs, known }) => known / pairs.length);
    const [next] = left.splice(shares.indexOf(Math.max(...shares)), 1);
    for (const pair of next.pairs) {
      for (const owner of owners.get(pair) ?? []) owner.known++;
      owners.delete(pair);
    }
    order.push(next.text);
  }
  return head + order.join('') + end;
}

/** Each once. Which function is called counts, which line of the module it stands in does not. */
function pairs(text) {
  const lines = text.split('\n').map((line) => line.trim());
  return [...new Set(lines.slice(1).map((line, at) => `${lines[at]} ${line}`))];
}
