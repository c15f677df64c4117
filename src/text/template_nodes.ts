import type { Interpreter } from '@huggingface/jinja';

/** Nodes of a parsed template, in the shapes of the library's src/ast.ts; it exports no classes for them. */

export type Statement = NonNullable<Parameters<Interpreter['evaluate']>[0]>;
export type TemplateValue = ReturnType<Interpreter['evaluate']>;

export interface IfNode extends Statement {
  readonly test: Statement;
  readonly body: readonly Statement[];
  readonly alternate: readonly Statement[];
}

export interface ForNode extends Statement {
  readonly loopvar: Statement;
  readonly iterable: Statement;
  readonly body: readonly Statement[];
  readonly defaultBlock: readonly Statement[];
}

export interface SelectNode extends Statement {
  readonly lhs: Statement;
  readonly test: Statement;
}

export interface CallNode extends Statement {
  readonly callee: Statement;
  readonly args: readonly Statement[];
}

export interface MemberNode extends Statement {
  readonly object: Statement;
  readonly property: Statement;
  readonly computed: boolean;
}

export interface FilterNode extends Statement {
  readonly operand: Statement;
  readonly filter: Statement;
}

export interface IdentifierNode extends Statement {
  readonly value: string;
}

export interface TupleNode extends Statement {
  readonly value: readonly Statement[];
}

export interface BinaryNode extends Statement {
  readonly operator: { readonly value: string };
  readonly left: Statement;
  readonly right: Statement;
}

export interface ProgramNode extends Statement {
  readonly body: readonly Statement[];
}

export interface NodeTypes {
  Program: ProgramNode;
  If: IfNode;
  For: ForNode;
  SelectExpression: SelectNode;
  CallExpression: CallNode;
  MemberExpression: MemberNode;
  FilterExpression: FilterNode;
  Identifier: IdentifierNode;
  TupleLiteral: TupleNode;
  BinaryExpression: BinaryNode;
}

export function isNode<T extends keyof NodeTypes>(
  node: Statement | undefined,
  type: T,
): node is NodeTypes[T] {
  return node?.type === type;
}
