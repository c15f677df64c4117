import type { ComponentChildren } from 'preact';
import { bytes, count } from '../quantities.ts';
import type { ConversionRecord } from './conversion_record.ts';
import { smallShare } from './ticks.ts';

/** Widths of every layer, and what each is expected to lose. */
export function LayerTable({ conversion }: Pick<ConversionRecord, 'conversion'>): ComponentChildren {
  const { layers, layerBytes, reports } = conversion;
  const losses = reports.map(({ spectrum, predictedError }) => {
    if (!spectrum || predictedError === null) return null;
    const dropped = spectrum.dropped.reduce((total, value) => total + value, 0);
    const all = spectrum.kept.reduce((total, value) => total + value, Math.max(dropped, predictedError));
    return all > 0 ? predictedError / all : 0;
  });
  const most = Math.max(...losses.map((loss) => loss ?? 0), Number.MIN_VALUE);
  const predicted = losses.some((loss) => loss !== null);
  return (
    <section aria-labelledby="layers-title">
      <div class="block-head">
        <h2 id="layers-title">Layers</h2>
      </div>
      <div class="table-scroll">
        <table class="figures layers">
          <thead>
            <tr>
              <th scope="col">Layer</th>
              <th scope="col">
                <code>kv_lora_rank</code>
              </th>
              <th scope="col">
                <code>qk_rope_head_dim</code>
              </th>
              <th scope="col" class="layer-bytes">
                Bytes a token
              </th>
              {predicted && (
                <th scope="col" class="layer-loss">
                  Predicted error
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {layers.map(({ kvLoraRank, qkRopeHeadDim }, i) => (
              <tr key={i}>
                <th scope="row">{i}</th>
                <td>{count(kvLoraRank)}</td>
                <td>{count(qkRopeHeadDim)}</td>
                <td class="layer-bytes">{bytes(layerBytes[i] ?? 0)}</td>
                {predicted && (
                  <td class="layer-loss">
                    <span class="loss-bar" aria-hidden="true">
                      <span style={{ transform: `scaleX(${(losses[i] ?? 0) / most})` }} />
                    </span>
                    <span class="loss-text">{smallShare(losses[i] ?? 0)}</span>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
