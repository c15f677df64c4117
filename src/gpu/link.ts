/** Joins a kernel's files and constants to one WGSL module, and finds the way back from a compiler message to a file. */

export type Constant =
  | { readonly type: 'u32'; readonly value: number }
  | { readonly type: 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean };

export const u32 = (value: number): Constant => ({ type: 'u32', value });
export const f32 = (value: number): Constant => ({ type: 'f32', value });
export const bool = (value: boolean): Constant => ({ type: 'bool', value });

export interface SourceFile {
  /** For messages: 'matvec.wgsl', 'parts/weight_q4_1.wgsl' */
  readonly name: string;
  readonly text: string;
}

export interface LinkedModule {
  readonly code: string;
  /** 'shaders/parts/weight_q4_1.wgsl:12' for a 1-based line of `code` */
  locate(line: number): string;
}

const DIRECTIVE = /^enable \w+;$/gm;

/** Module scope of WGSL does not depend on order, so a part may use constants and bindings of the body and vice versa. */
export function link(
  constants: Readonly<Record<string, Constant>>,
  sources: readonly SourceFile[],
): LinkedModule {
  // In the package # stands for a line's end, which JavaScript writes with two characters (scripts/short_wgsl.mjs).
  const files = sources.map(({ name, text }) => ({ name, text: text.replaceAll('#', '\n') }));
  const prelude = Object.entries(constants).map(
    ([name, constant]) => `const ${name} = ${literal(name, constant)};`,
  );
  // Directives come first in a module. Their own lines stay, empty, so that lines of a file keep their numbers.
  const directives = files.flatMap(({ text }) => text.match(DIRECTIVE) ?? []);
  const lines = [...new Set(directives), ...prelude];
  const segments: { readonly name: string; readonly firstLine: number }[] = [];
  for (const { name, text } of files) {
    segments.push({ name, firstLine: lines.length + 1 });
    lines.push(...text.replace(DIRECTIVE, '').trimEnd().split('\n'));
  }
  return {
    code: `${lines.join('\n')}\n`,
    locate(line) {
      const segment = segments.findLast(({ firstLine }) => firstLine <= line);
      return segment
        ? `shaders/${segment.name}:${line - segment.firstLine + 1}`
        : `generated constants:${line}`;
    },
  };
}

function literal(name: string, constant: Constant): string {
  switch (constant.type) {
    case 'bool':
      return String(constant.value);
    case 'u32':
      if (!Number.isInteger(constant.value) || constant.value < 0 || constant.value > 0xffffffff) {
        throw new RangeError(`constant ${name}: expected an unsigned 32-bit integer, got ${constant.value}`);
      }
      return `${constant.value}u`;
    case 'f32':
      // The shortest decimal of the f32 value, with an exponent so that WGSL never takes it for an integer.
      return `${Math.fround(constant.value).toExponential()}f`;
  }
}
