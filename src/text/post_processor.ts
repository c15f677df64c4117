import { asList, asObject, asString, asTokenId, isObject, unsupportedField } from './json_fields.ts';

/**
 * `post_processor` of tokenizer.json, as far as it concerns one text: ids that go before and after it. (The rest of it is
 * about pairs of texts and character offsets.) Source: tokenizers/src/processors.
 */

export interface AddedIds {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const NONE: AddedIds = { before: [], after: [] };

/** @throws bad_file, or unsupported for a type that is not here */
export function readPostProcessor(value: unknown, thing = 'tokenizer.json: post_processor'): AddedIds {
  if (value === null || value === undefined) return NONE;
  const config = asObject(value, thing);
  switch (config['type']) {
    case 'ByteLevel':
      return NONE;
    case 'TemplateProcessing':
      return readTemplate(config['single'], config['special_tokens'], thing);
    case 'BertProcessing':
    case 'RobertaProcessing':
      return {
        before: [pairedId(config['cls'], `${thing}.cls`)],
        after: [pairedId(config['sep'], `${thing}.sep`)],
      };
    case 'Sequence': {
      const parts = asList(config['processors'], `${thing}.processors`).map((part, i) =>
        readPostProcessor(part, `${thing}.processors[${i}]`),
      );
      return {
        before: parts.toReversed().flatMap((part) => part.before),
        after: parts.flatMap((part) => part.after),
      };
    }
    default:
      throw unsupportedField(
        `${thing}.type`,
        'TemplateProcessing, ByteLevel, BertProcessing, RobertaProcessing or Sequence',
        config['type'],
      );
  }
}

function readTemplate(single: unknown, specialTokens: unknown, thing: string): AddedIds {
  const before: number[] = [];
  const after: number[] = [];
  let seenText = false;
  asList(single, `${thing}.single`).forEach((item, i) => {
    const place = `${thing}.single[${i}]`;
    const part = asObject(item, place);
    if (isObject(part['Sequence'])) {
      seenText = true;
      return;
    }
    const name = asString(asObject(part['SpecialToken'], place)['id'], `${place}.id`);
    const special = asObject(
      asObject(specialTokens, `${thing}.special_tokens`)[name],
      `${thing}.special_tokens[${JSON.stringify(name)}]`,
    );
    const ids = asList(special['ids'], `${thing}.special_tokens.ids`);
    for (const id of ids) (seenText ? after : before).push(asTokenId(id, `${thing}.special_tokens.ids`));
  });
  return { before, after };
}

/** ['</s>', 2] */
function pairedId(value: unknown, thing: string): number {
  return asTokenId(asList(value, thing)[1], thing);
}
