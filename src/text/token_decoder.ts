import { bytesOfToken } from './byte_alphabet.ts';
import { asList, asObject, asString, asTokenId, unsupportedField } from './json_fields.ts';
import type { JsonObject } from './json_fields.ts';
import { readPrependScheme } from './pre_tokenizer.ts';
import { findSpans, readPattern } from './split_pattern.ts';
import { Utf8Stream } from './utf8_stream.ts';

/**
 * `decoder` of tokenizer.json: how tokens become text, one token at a time. Source: tokenizers/src/decoders, where each step
 * gets the whole list; here each step passes on what can no longer change, so that a stream and a whole text are the same
 * code and cost O(1) a token.
 */

/** One text being decoded. */
export interface Decoding {
  /** @returns the text that this token finishes, often '' */
  push(token: string): string;
  /** @returns what was held back. Nothing may be pushed after it. */
  end(): string;
}

/** A step: takes tokens, or pieces of the text once the tokens are fused, and passes on to the next step. */
interface Step {
  push(text: string): void;
  end(): void;
}

interface StepKind {
  /** The tokens are one text behind this step, in pieces of any length. */
  readonly fuses: boolean;
  /** Whether the step also works on a fused text. */
  readonly takesText: boolean;
  /** @param fused what comes in is a text in pieces, and not tokens */
  make(next: Step, fused: boolean): Step;
}

/**
 * @returns a function that begins a decoding
 * @throws bad_file, or unsupported for a type that is not here or an order of steps that cannot be streamed
 */
export function readDecoder(value: unknown): () => Decoding {
  const thing = 'tokenizer.json: decoder';
  const kinds = value === null || value === undefined ? [joinWithSpaces()] : readKinds(value, thing);
  const fusedBefore = kinds.map((_, i) => kinds.slice(0, i).some((kind) => kind.fuses));
  if (kinds.some((kind, i) => fusedBefore[i] === true && !kind.takesText)) {
    throw unsupportedField(thing, 'only Strip and one-character Replace behind Fuse or ByteLevel', value);
  }
  return () => {
    let text = '';
    const sink: Step = { push: (piece) => void (text += piece), end: () => {} };
    const first = kinds.reduceRight((next, kind, i) => kind.make(next, fusedBefore[i] === true), sink);
    const take = (): string => {
      const taken = text;
      text = '';
      return taken;
    };
    return {
      push: (token) => {
        first.push(token);
        return take();
      },
      end: () => {
        first.end();
        return take();
      },
    };
  };
}

function readKinds(value: unknown, thing: string): StepKind[] {
  const config = asObject(value, thing);
  switch (config['type']) {
    case 'Sequence':
      return asList(config['decoders'], `${thing}.decoders`).flatMap((part, i) =>
        readKinds(part, `${thing}.decoders[${i}]`),
      );
    case 'ByteLevel':
      return [byteLevel()];
    case 'ByteFallback':
      return [byteFallback()];
    case 'Fuse':
      return [{ fuses: true, takesText: true, make: (next) => next }];
    case 'Replace':
      return [replace(config, thing)];
    case 'Strip':
      return [strip(config, thing)];
    case 'Metaspace':
      return [metaspace(config, thing)];
    default:
      throw unsupportedField(
        `${thing}.type`,
        'Sequence, ByteLevel, ByteFallback, Fuse, Replace, Strip or Metaspace',
        config['type'],
      );
  }
}

/** What Hugging Face does when the file names no decoder. */
function joinWithSpaces(): StepKind {
  return {
    fuses: false,
    takesText: false,
    make: (next) => {
      let isFirst = true;
      return {
        push: (token) => {
          next.push(isFirst ? token : ` ${token}`);
          isFirst = false;
        },
        end: () => next.end(),
      };
    },
  };
}

function byteLevel(): StepKind {
  return {
    fuses: true,
    takesText: false,
    make: (next) => {
      const utf8 = new Utf8Stream('one');
      return {
        push: (token) => next.push(utf8.push(bytesOfToken(token))),
        end: () => {
          next.push(utf8.end());
          next.end();
        },
      };
    },
  };
}

/**
 * Tokens <0xE2> and the like. Rust looks at a run of them as a whole: one bad byte turns all of it into U+FFFD, good
 * characters included, which no stream can know beforehand. Here characters that are whole stay, and each other byte
 * becomes one U+FFFD; for a run that is all good or all bad, that is the same.
 */
function byteFallback(): StepKind {
  return {
    fuses: false,
    takesText: false,
    make: (next) => {
      const utf8 = new Utf8Stream('per byte');
      const pass = (text: string): void => {
        if (text !== '') next.push(text);
      };
      return {
        push: (token) => {
          const byte = /^<0x([\dA-Fa-f]{2})>$/.exec(token)?.[1];
          if (byte !== undefined) {
            pass(utf8.push([Number.parseInt(byte, 16)]));
            return;
          }
          pass(utf8.end());
          next.push(token);
        },
        end: () => {
          pass(utf8.end());
          next.end();
        },
      };
    },
  };
}

function replace(config: JsonObject, thing: string): StepKind {
  const pattern = readPattern(config['pattern'], `${thing}.pattern`);
  const content = asString(config['content'], `${thing}.content`);
  const literal = asObject(config['pattern'], `${thing}.pattern`)['String'];
  return {
    fuses: false,
    // A longer pattern could lie across two pieces of the text.
    takesText: typeof literal === 'string' && Array.from(literal).length === 1,
    make: (next) => ({
      push: (token) =>
        next.push(
          findSpans(token, pattern)
            .map((span) => (span.isMatch ? content : token.slice(span.start, span.end)))
            .join(''),
        ),
      end: () => next.end(),
    }),
  };
}

/** Takes up to `start` leading and `stop` trailing characters `content` away: of each token, or of the text once fused. */
function strip(config: JsonObject, thing: string): StepKind {
  const content = asString(config['content'], `${thing}.content`);
  if (Array.from(content).length !== 1) throw unsupportedField(`${thing}.content`, 'one character', content);
  const start = asTokenId(config['start'] ?? 0, `${thing}.start`);
  const stop = asTokenId(config['stop'] ?? 0, `${thing}.stop`);
  return {
    fuses: false,
    takesText: true,
    make: (next, fused) =>
      fused
        ? stripText(content, start, stop, next)
        : {
            push: (token) => {
              // A token is a whole text of its own.
              const one = stripText(content, start, stop, next);
              one.push(token);
            },
            end: () => next.end(),
          },
  };
}

function stripText(content: string, start: number, stop: number, next: Step): Step {
  let leading = start;
  /** At most `stop` copies of `content` at the end of the text so far. */
  let held = 0;
  return {
    push: (piece) => {
      let text = piece;
      while (leading > 0 && text !== '') {
        if (!text.startsWith(content)) leading = 0;
        else {
          text = text.slice(content.length);
          leading--;
        }
      }
      if (text === '') return;
      if (stop === 0) {
        next.push(text);
        return;
      }
      let end = text.length;
      let trailing = 0;
      while (end > 0 && text.endsWith(content, end)) {
        end -= content.length;
        trailing++;
      }
      const copies = end === 0 ? held + trailing : trailing;
      if (end > 0) next.push(content.repeat(held) + text.slice(0, end));
      held = Math.min(copies, stop);
      if (copies > held) next.push(content.repeat(copies - held));
    },
    end: () => next.end(),
  };
}

function metaspace(config: JsonObject, thing: string): StepKind {
  const replacement = asString(config['replacement'] ?? '▁', `${thing}.replacement`);
  const dropsFirst = readPrependScheme(config, thing) !== 'never';
  return {
    fuses: false,
    takesText: false,
    make: (next) => {
      let isFirst = true;
      return {
        push: (token) => {
          // All of them in the first token, not only the first one: Rust's way.
          next.push(token.replaceAll(replacement, isFirst && dropsFirst ? '' : ' '));
          isFirst = false;
        },
        end: () => next.end(),
      };
    },
  };
}
