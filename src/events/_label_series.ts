/**
 * Series of a metric by their labels, of which there are never more than a fixed number.
 *
 * @module
 */

/** How many series there may be. */
export interface SeriesLimits {
  readonly maxSeries: number;
  readonly maxLabelValues: number;
}

/** Where everything goes that has no room of its own. */
export const OTHER = "_other";

/** With {@linkcode MAX_LABEL_VALUES}: the numbers of all values of a series still make one exact number. */
export const MAX_LABELS = 6;
export const MAX_LABEL_VALUES = 400;
/** A longer value is no name of anything; and whoever sends it has no say in how much memory it takes. */
const MAX_VALUE_LENGTH = 128;

/**
 * What acts or hides instead of being read: controls, marks of direction, characters of no width. The text format has
 * no escape for them, and a line feed is enough to forge a sample.
 */
const INVISIBLE =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Co}\p{Cn}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]|[\u{e0100}-\u{e01ef}]/gu;

/** The values that one label has had. */
class LabelValues {
  readonly name: string;
  readonly texts: string[] = [OTHER];
  readonly #ids = new Map<string, number>([[OTHER, 0]]);
  readonly #max: number;

  constructor(name: string, max: number) {
    this.name = name;
    this.#max = max;
  }

  idOf(value: string): number {
    return this.#ids.get(value) ?? this.#admit(value);
  }

  /** Attackers bring any number of values: the first ones get a number, and all others share one. */
  #admit(value: unknown): number {
    if (typeof value !== "string") {
      throw new TypeError(
        `The label '${this.name}' must be a string: current value is ${typeof value}`,
      );
    }
    if (value.length > MAX_VALUE_LENGTH || this.#ids.size > this.#max) return 0;
    const text = visible(value);
    let id = this.#ids.get(text);
    if (id === undefined) {
      id = this.texts.push(text) - 1;
      this.#ids.set(text, id);
    }
    if (text !== value && this.#ids.size <= this.#max) this.#ids.set(copied(value), id);
    return id;
  }
}

/** A series: what a metric knows about one set of label values. */
export interface Series<State> {
  readonly labels: Readonly<Record<string, string>>;
  /** The labels in the text format, without braces. */
  readonly text: string;
  readonly state: State;
}

/** The series of one metric. */
export class LabelSeries<State> {
  readonly #labels: readonly LabelValues[];
  readonly #radix: number;
  readonly #maxSeries: number;
  readonly #create: () => State;
  readonly #series = new Map<number, Series<State>>();

  constructor(names: readonly string[], limits: SeriesLimits, create: () => State) {
    this.#labels = names.map((name) => new LabelValues(name, limits.maxLabelValues));
    this.#radix = limits.maxLabelValues + 2;
    this.#maxSeries = limits.maxSeries;
    this.#create = create;
    if (names.length === 0) this.at({});
  }

  /** The state of a series; of the one for all others where there are too many. */
  at(labels: Readonly<Record<string, string>>): State {
    let key = 0;
    for (let at = 0; at < this.#labels.length; at++) {
      const label = this.#labels[at] as LabelValues;
      key = key * this.#radix + label.idOf(labels[label.name] as string);
    }
    return (this.#series.get(key) ?? this.#add(key)).state;
  }

  /** All series. */
  all(): IterableIterator<Series<State>> {
    return this.#series.values();
  }

  #add(wanted: number): Series<State> {
    // The number of the series in which every label is `_other` is 0.
    const key = this.#series.size < this.#maxSeries ? wanted : 0;
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const labels: Record<string, string> = {};
    let rest = key;
    for (const { name, texts } of this.#labels.toReversed()) {
      labels[name] = texts[rest % this.#radix]!;
      rest = Math.floor(rest / this.#radix);
    }
    const inOrder: Record<string, string> = {};
    for (const { name } of this.#labels) inOrder[name] = labels[name]!;
    const series = {
      labels: Object.freeze(inOrder),
      text: labelText(inOrder),
      state: this.#create(),
    };
    this.#series.set(key, series);
    return series;
  }
}

/** A copy, as a part of a long string would keep all of it in memory. */
function copied(text: string): string {
  return JSON.parse(JSON.stringify(text));
}

/** A text of which every character can be seen. */
function visible(text: string): string {
  return copied(text).replace(INVISIBLE, (character) => {
    let escaped = "";
    for (let at = 0; at < character.length; at++) {
      escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
    }
    return escaped;
  });
}

/** What has to be escaped in the text format, of what a visible text may have. */
function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"]/g, "\\$&")}"`)
    .join(",");
}
