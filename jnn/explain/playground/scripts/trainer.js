// Training without a page: data, batches, steps, and what came out.

import { Recurrence, below, under } from "../../scripts/program.js";
import { parsePoints } from "./own_points.js";
import { networkSettings, optimizerSettings } from "./state.js";

const MOST_KEPT = 300;

/** A network in training for a state, by the compiled programs. */
export class Trainer {
  constructor(programs, facts) {
    Object.assign(this, { programs, facts });
    this.stepsOf = {};
  }

  /** Takes all settings of a state, makes its data, and begins. */
  reset(state) {
    this.configure(state);
    this.makeData(state);
    this.restart(state);
  }

  /** Takes the settings of network and optimizer; training goes on. */
  configure(state) {
    this.settings = networkSettings(state, this.facts);
    this.hyper = optimizerSettings(state, this.facts);
    this.batch = state.batch;
    this.seed = state.seed;
    const size = this.facts.batches.find((n) => n >= state.batch);
    const before = this.training ? under("state", this.state) : {};
    this.rows = padded([], size);
    this.stepsOf[size] ??= new Recurrence(this.programs[`step${size}`].module, "state");
    this.training = this.stepsOf[size];
    this.training.give({ ...before, ...this.settings, ...this.hyper, ...this.rows });
  }

  /** Makes the points of the state, and how many of them are for training. */
  makeData(state) {
    if (state.set === "own") {
      this.ownData(parsePoints(state.own, this.facts.edge, this.facts.points));
      return;
    }
    const { seed, noise, flips } = state;
    const set = this.facts.sets.indexOf(state.set);
    const made = this.programs.points({ set, seed, noise, flips });
    this.train = { ...below(made, "train"), weight: firstOnes(state.points, this.facts.points) };
    this.test = { ...below(made, "test"), weight: firstOnes(this.facts.points, this.facts.points) };
    this.count = state.points;
  }

  /** Takes the reader's points, every fourth of them for testing. */
  ownData(points) {
    const test = points.filter((_, i) => i % 4 === 3);
    const train = points.filter((_, i) => i % 4 !== 3);
    this.train = padded(train, this.facts.points);
    this.test = padded(test, this.facts.points);
    this.count = train.length;
  }

  /** New weights, and no step taken. */
  restart(state) {
    const { seed, scale } = state;
    const first = this.programs.start({ seed, scale, ...this.settings, ...this.hyper });
    this.training.give(under("state", first));
    Object.assign(this, { epoch: 0, place: 0, rank: null, history: [], isFinite: true });
    this.every = 1;
    this.record();
  }

  /** Params, those of the optimizer, the number of steps and the key, by path. */
  get state() {
    return this.training.state;
  }

  /** The params by path. */
  get params() {
    return below(this.state, "params");
  }

  /** How many steps were taken. */
  get steps() {
    return this.state.step[0];
  }

  /** The batches of an epoch. */
  get batches() {
    return Math.max(1, Math.ceil(this.count / this.batch));
  }

  /** One step on the next batch; false if it was not finite, and so not taken. */
  step() {
    if (this.count === 0) return false;
    const { seed, epoch, count } = this;
    this.rank ??= this.programs.order({ seed, epoch, count })[""];
    const first = this.place * this.batch;
    const last = Math.min(first + this.batch, count);
    this.fill(first, last);
    this.training.next();
    this.isFinite = this.training.result("metrics/finite")[0] === 1;
    this.place += 1;
    if (this.place >= this.batches) {
      Object.assign(this, { place: 0, rank: null });
      this.epoch += 1;
    }
    return this.isFinite;
  }

  /** Put the points of these places of the epoch into the batch. */
  fill(first, last) {
    const { x, y, weight } = this.rows;
    const { train } = this;
    let row = 0;
    this.rank.forEach((place, i) => {
      if (place < first || place >= last) return;
      x[2 * row] = train.x[2 * i];
      x[2 * row + 1] = train.x[2 * i + 1];
      y[row] = train.y[i];
      row += 1;
    });
    weight.fill(1, 0, row).fill(0, row);
  }

  /** Loss and accuracy on one part of the data, NaN where it has no points. */
  evaluate(part) {
    if (!part.weight.includes(1)) return { loss: NaN, accuracy: NaN };
    const params = under("params", this.params);
    const { loss, accuracy } = this.programs.evaluate({ ...params, ...this.settings, ...part });
    return { loss: loss[0], accuracy: accuracy[0] };
  }

  /** Adds the losses of this moment to the curve, which is thinned where it gets long. */
  record() {
    const row = {
      step: this.steps,
      train: this.evaluate(this.train),
      test: this.evaluate(this.test),
    };
    this.latest = row;
    const last = this.history.at(-1);
    if (last && row.step < last.step + this.every) return row;
    this.history.push(row);
    if (this.history.length > MOST_KEPT) {
      this.history = this.history.filter((_, i) => i % 2 === 0);
      this.every = Math.max(2 * this.every, 2);
    }
    return row;
  }

  /** What each neuron and the network give for points, an array of x, y, x, y, ... */
  look(x) {
    return this.programs.look({ ...under("params", this.params), ...this.settings, x });
  }

  /** The gradient of the mean loss over all training points, by the paths of params. */
  gradients() {
    return this.programs.gradients({
      ...under("params", this.params),
      ...this.settings,
      ...this.train,
    });
  }

  /** Every number of backpropagation for one training point. */
  backpropagate(i) {
    const x = this.train.x.slice(2 * i, 2 * i + 2);
    const y = this.train.y.slice(i, i + 1);
    const params = under("params", this.params);
    return { x, y, ...this.programs.backpropagate({ ...params, ...this.settings, x, y }) };
  }
}

/** So many ones, then zeros. */
function firstOnes(count, length) {
  return new Float32Array(length).fill(1, 0, count);
}

/** Points `[x, y, class]` as arrays of full length, with their weights. */
function padded(points, length) {
  const x = new Float32Array(2 * length);
  const y = new Float32Array(length);
  points.forEach((point, i) => {
    x.set(point.slice(0, 2), 2 * i);
    y[i] = point[2];
  });
  return { x, y, weight: firstOnes(points.length, length) };
}
