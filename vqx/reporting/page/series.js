// A row's curve: the mean of its seeds and their standard deviation, step by step.

/** All curves there are, as [group, [[key, text], ...]] for a menu; keys are `kind key`. */
function curveOptions() {
  const groups = new Map();
  for (const { curves } of data.runs)
    for (const [kind, { values }] of Object.entries(curves || {}))
      for (const key of Object.keys(values)) {
        if (!groups.has(kind)) groups.set(kind, new Map());
        groups.get(kind).set(`${kind} ${key}`, curveName(kind, key));
      }
  const name = (kind) => ({ evaluate: "Evaluation", train: "Training" })[kind] || kind;
  const order = ["evaluate", "train"];
  return [...groups]
    .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    .map(([kind, keys]) => [name(kind), [...keys]]);
}

/** What a curve is called: as in the table where it is the same number. */
function curveName(kind, key) {
  const known = curveMetric(kind, key);
  return known ? [known.title, known.unit].filter(Boolean).join(", ") : key;
}

/** The two words of an option. */
function kindAndKey(what) {
  const [kind, ...rest] = what.split(" ");
  return [kind, rest.join(" ")];
}

/** Whether some run has two points of it at least: one alone is in the table. */
function isCurve(what) {
  const [kind, key] = kindAndKey(what);
  const points = (run) => seedPoints(run, kind, key, "step") || [];
  return data.runs.some((run) => points(run).length > 1);
}

/** Whether a curve falls or grows so far that only a logarithmic axis shows all of it. */
function spansDecades(what) {
  const [kind, key] = kindAndKey(what);
  const [low, high] = d3.extent(data.runs.flatMap((run) => (seedPoints(run, kind, key, "step") || []).map(([, y]) => y)));
  return low > 0 && high > 8 * low;
}

const IN_TRAINING = ["usage", "perplexity"]; // of the tokens between two log lines

function curveMetric(kind, key) {
  return kind === "evaluate" || IN_TRAINING.includes(key) ? data.metrics[key] : undefined;
}

/** One seed's points [x, y] in order of x, without gaps; null for a run without them. */
function seedPoints(run, kind, key, axis) {
  const curve = (run.curves || {})[kind];
  if (!curve || !curve.values[key]) return null;
  const scale = (curveMetric(kind, key) || { scale: 1 }).scale;
  const xs = curve[axis] || curve.step.map((step) => step * curve.images_per_step);
  const points = curve.values[key].map((y, index) => [xs[index], y === null ? null : y * scale]);
  const whole = points.filter(([x, y]) => x !== null && y !== null);
  return whole.length ? d3.sort(whole, ([x]) => x) : null;
}

/** `points` at `x`, between neighbours on a line; null outside of them. */
function valueAt(points, x) {
  if (x < points[0][0] || x > points[points.length - 1][0]) return null;
  const index = d3.bisector(([at]) => at).left(points, x);
  const [x1, y1] = points[index];
  if (x1 === x || index === 0) return y1;
  const [x0, y0] = points[index - 1];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}

/** Mean, mean ± standard deviation (n - 1) and n of a row's seeds wherever one has a point. */
function rowSeries(row, kind, key, axis) {
  const seeds = runsOf(row)
    .map((run) => seedPoints(run, kind, key, axis))
    .filter((points) => points !== null);
  const xs = [...new Set(seeds.flatMap((points) => points.map(([x]) => x)))].sort(d3.ascending);
  const points = xs.map((x) => {
    const values = seeds.map((seed) => valueAt(seed, x)).filter((value) => value !== null);
    const mean = d3.mean(values);
    const std = values.length > 1 ? d3.deviation(values) : 0;
    return { x, mean, low: mean - std, high: mean + std, std, n: values.length };
  });
  return { row, points, seeds: seeds.length };
}

/** The point of a series nearest to `x`. */
function nearestPoint({ points }, x) {
  return points[d3.bisector((point) => point.x).center(points, x)];
}
