import { Environment, Interpreter } from '@huggingface/jinja';
import { isNode } from './template_nodes.ts';
import type { CallNode, FilterNode, ForNode, Statement, TemplateValue } from './template_nodes.ts';

/**
 * @huggingface/jinja's interpreter with Jinja's own behaviour where it differs. `evaluate` is where every node of a template
 * passes through, so a node type is put right by handling it here:
 *  - loops: what was written before `break` or `continue` stays, `set` does not reach the next round, an undefined list is
 *    empty, a string gives its characters
 *  - strip, lstrip, rstrip and trim: the characters to strip are not ignored, white space is Python's
 *  - '' is not equal to false or 0, and lists are equal when their items are
 *  - selecting from None gives an empty list
 *  - the length of a string counts characters
 *  - printing: None, True, False
 */

/** `break` or `continue` on its way to the loop, with what was written since the round began. */
class LoopExit extends Error {
  text = '';
  readonly ends: boolean;

  constructor(ends: boolean) {
    super('a break or continue outside a loop');
    this.ends = ends;
  }
}

/** str.isspace of Python: JavaScript's trim knows U+FEFF instead of U+001C to U+001F and U+0085. */
const PYTHON_SPACE =
  '\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000';

const STATEMENTS_WITHOUT_TEXT: ReadonlySet<string> = new Set(['Set', 'Macro', 'Comment']);

/** They make an empty list of nothing: `tools | selectattr(...)` without tools. */
const SELECTING_FILTERS: ReadonlySet<string> = new Set([
  'select',
  'reject',
  'selectattr',
  'rejectattr',
  'map',
]);

export class ChatInterpreter extends Interpreter {
  /** Characters that stripping and comparing look through: the marks around control tokens (control_marks.ts). */
  readonly #marks: string;

  constructor(environment: Environment, marks = '') {
    super(environment);
    this.#marks = marks;
  }

  override evaluate(statement: Statement | undefined, environment: Environment): TemplateValue {
    if (isNode(statement, 'Program')) return text(this.#block(statement.body, environment));
    if (isNode(statement, 'If')) {
      const holds = isTrue(this.evaluate(statement.test, environment));
      return text(this.#block(holds ? statement.body : statement.alternate, environment));
    }
    if (isNode(statement, 'For')) return text(this.#loop(statement, environment));
    if (statement?.type === 'Break') throw new LoopExit(true);
    if (statement?.type === 'Continue') throw new LoopExit(false);
    if (isNode(statement, 'CallExpression')) {
      return this.#callOfString(statement, environment) ?? super.evaluate(statement, environment);
    }
    if (isNode(statement, 'FilterExpression')) {
      return this.#filter(statement, environment) ?? super.evaluate(statement, environment);
    }
    if (isNode(statement, 'BinaryExpression')) {
      const operator = statement.operator.value;
      if (operator === '==' || operator === '!=') {
        const left = this.evaluate(statement.left, environment);
        const right = this.evaluate(statement.right, environment);
        return truth(isEqual(left, right) === (operator === '=='));
      }
    }
    return super.evaluate(statement, environment);
  }

  #block(statements: readonly Statement[], environment: Environment): string {
    let written = '';
    for (const statement of statements) {
      try {
        const value = this.evaluate(statement, environment);
        if (!STATEMENTS_WITHOUT_TEXT.has(statement.type)) written += print(value);
      } catch (error) {
        if (error instanceof LoopExit) error.text = written + error.text;
        throw error;
      }
    }
    return written;
  }

  #loop(node: ForNode, outer: Environment): string {
    const select = isNode(node.iterable, 'SelectExpression') ? node.iterable : null;
    const all = this.#items(this.evaluate(select?.lhs ?? node.iterable, outer));
    const items = all.filter((item) => {
      if (select === null) return true;
      const scope = new Environment(outer);
      bind(node.loopvar, item, scope);
      return isTrue(this.evaluate(select.test, scope));
    });
    let written = '';
    // Jinja: `else` also runs when every round was left by break or continue.
    let isElse = true;
    for (const [i, item] of items.entries()) {
      const scope = new Environment(outer);
      const loop = fields(
        scope.set('loop', {
          index: i + 1,
          index0: i,
          revindex: items.length - i,
          revindex0: items.length - i - 1,
          first: i === 0,
          last: i === items.length - 1,
          length: items.length,
        }),
      );
      const [before, after] = [items[i - 1], items[i + 1]];
      if (before !== undefined) loop?.set('previtem', before);
      if (after !== undefined) loop?.set('nextitem', after);
      bind(node.loopvar, item, scope);
      try {
        written += this.#block(node.body, scope);
        isElse = false;
      } catch (error) {
        if (!(error instanceof LoopExit)) throw error;
        written += error.text;
        if (error.ends) break;
      }
    }
    return isElse ? written + this.#block(node.defaultBlock, new Environment(outer)) : written;
  }

  #items(iterable: TemplateValue): readonly TemplateValue[] {
    const { value } = iterable;
    if (Array.isArray(value)) return value;
    if (typeof value === 'string') return Array.from(value, (char) => text(char));
    if (iterable.type === 'UndefinedValue') return [];
    const map = fields(iterable);
    if (map !== null) return [...map.keys()].map((key) => text(key));
    throw new Error(`for: expected a list, got ${iterable.type}`);
  }

  /** Methods of strings that the library has wrong; undefined for everything else. */
  #callOfString(node: CallNode, environment: Environment): TemplateValue | undefined {
    const { callee } = node;
    if (!isNode(callee, 'MemberExpression') || callee.computed || !isNode(callee.property, 'Identifier')) {
      return undefined;
    }
    const method = callee.property.value;
    const strips = method === 'strip' || method === 'lstrip' || method === 'rstrip';
    const compares = this.#marks !== '' && (method === 'startswith' || method === 'endswith');
    if (!strips && !compares) return undefined;
    const { value } = this.evaluate(callee.object, environment);
    if (typeof value !== 'string') return undefined;
    const argument = node.args.length === 0 ? undefined : this.evaluate(node.args[0], environment).value;
    if (strips) {
      if (argument !== undefined && argument !== null && typeof argument !== 'string') return undefined;
      return text(this.#strip(value, argument ?? PYTHON_SPACE, method !== 'rstrip', method !== 'lstrip'));
    }
    if (typeof argument !== 'string') return undefined;
    const plain = this.#withoutMarks(value);
    return truth(method === 'startswith' ? plain.startsWith(argument) : plain.endsWith(argument));
  }

  /** Filters that the library has wrong; undefined for everything else. */
  #filter(node: FilterNode, environment: Environment): TemplateValue | undefined {
    const call = isNode(node.filter, 'CallExpression') ? node.filter : null;
    const name = call === null ? node.filter : call.callee;
    if (!isNode(name, 'Identifier')) return undefined;
    if (name.value === 'trim') {
      const { value } = this.evaluate(node.operand, environment);
      if (typeof value !== 'string') return undefined;
      const chars =
        call?.args[0] === undefined ? PYTHON_SPACE : this.evaluate(call.args[0], environment).value;
      return typeof chars === 'string' ? text(this.#strip(value, chars, true, true)) : undefined;
    }
    if (name.value === 'length' || name.value === 'count') {
      const { value } = this.evaluate(node.operand, environment);
      return typeof value === 'string'
        ? new Environment().set('length', Array.from(this.#withoutMarks(value)).length)
        : undefined;
    }
    if (SELECTING_FILTERS.has(name.value)) {
      const { type } = this.evaluate(node.operand, environment);
      if (type === 'NullValue' || type === 'UndefinedValue') return new Environment().set('list', []);
    }
    return undefined;
  }

  /** Python's strip. Marks are looked through and stay. */
  #strip(value: string, chars: string, left: boolean, right: boolean): string {
    const dropped = new Set(chars);
    const characters = Array.from(value);
    /** Where the first character stands that stays, or the length. */
    const firstKept = (list: readonly string[]): number => {
      const at = list.findIndex((char) => !dropped.has(char) && !this.#marks.includes(char));
      return at < 0 ? list.length : at;
    };
    const start = left ? firstKept(characters) : 0;
    const end = right
      ? Math.max(start, characters.length - firstKept(characters.toReversed()))
      : characters.length;
    const marksOf = (list: readonly string[]): string =>
      list.filter((char) => this.#marks.includes(char)).join('');
    return (
      marksOf(characters.slice(0, start)) +
      characters.slice(start, end).join('') +
      marksOf(characters.slice(end))
    );
  }

  #withoutMarks(value: string): string {
    return Array.from(value)
      .filter((char) => !this.#marks.includes(char))
      .join('');
  }
}

/** The library's value classes are not exported, but an environment makes them. */
function text(value: string): TemplateValue {
  return new Environment().set('text', value);
}

function truth(value: boolean): TemplateValue {
  return new Environment().set('truth', value);
}

/** Python's idea of it: empty lists and texts are false. */
function isTrue(value: TemplateValue): boolean {
  // oxlint-disable-next-line no-underscore-dangle -- the library's name
  return value.__bool__().value;
}

/** Python's ==: true and 1 are equal, '' and false are not. */
function isEqual(a: TemplateValue, b: TemplateValue): boolean {
  const left: unknown = a.value;
  const right: unknown = b.value;
  if (isNumeric(left) && isNumeric(right)) return Number(left) === Number(right);
  if (Array.isArray(left) && Array.isArray(right)) {
    const others: readonly TemplateValue[] = right;
    const items: readonly TemplateValue[] = left;
    return (
      items.length === others.length &&
      items.every((item, i) => {
        const other = others[i];
        return other !== undefined && isEqual(item, other);
      })
    );
  }
  const map = fields(a);
  const otherMap = fields(b);
  if (map !== null && otherMap !== null) {
    return (
      map.size === otherMap.size &&
      [...map].every(([key, item]) => {
        const other = otherMap.get(key);
        return other !== undefined && isEqual(item, other);
      })
    );
  }
  return left === right;
}

function isNumeric(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}

function fields(value: TemplateValue): Map<string, TemplateValue> | null {
  return value.value instanceof Map ? value.value : null;
}

/** Python's str() of what templates print. Lists and dictionaries stay JSON: templates that mean it say tojson. */
function print(value: TemplateValue): string {
  if (value.type === 'UndefinedValue') return '';
  if (value.type === 'NullValue') return 'None';
  if (value.type === 'BooleanValue') return value.value === true ? 'True' : 'False';
  return value.toString();
}

/** Gives the loop's variable, or each of its variables, a value. */
function bind(variable: Statement, item: TemplateValue, scope: Environment): void {
  if (isNode(variable, 'Identifier')) {
    scope.setVariable(variable.value, item);
    return;
  }
  const parts: unknown = item.value;
  if (!isNode(variable, 'TupleLiteral') || !Array.isArray(parts) || parts.length !== variable.value.length) {
    throw new Error(`for: expected as many values as variables, got ${item.type}`);
  }
  const values: readonly TemplateValue[] = parts;
  variable.value.forEach((part, i) => {
    const value = values[i];
    if (value !== undefined) bind(part, value, scope);
  });
}
