import type { ComponentChildren } from 'preact';
import { device } from '../device.ts';
import { DeviceFacts } from '../device_facts.tsx';
import { rate } from '../quantities.ts';
import { SubjectFields } from '../subject_fields.tsx';
import { ToolPage } from '../tool_page.tsx';
import { LanesPart } from './lanes_part.tsx';
import type { LatencySession } from './latency_session.ts';
import { SweepPart } from './sweep_part.tsx';

export function LatencyPage({ session }: { session: LatencySession }): ComponentChildren {
  const found = device.value;
  const settings = session.settings.value;
  const limit = session.report.value?.streamingGBs ?? null;
  return (
    <ToolPage
      name="Race"
      title="GQA against MLA, on this device"
      lead="The same model with two caches. From which context on does the small one win, by how much, and what does it cost in quality? Everything is measured here and now, and nothing is sent anywhere."
      spoken={session.spoken.value}
      onCancel={() => session.cancel()}
    >
      <DeviceFacts>
        {limit !== null && <span class="device-limit">streams {rate(limit)} GB/s</span>}
      </DeviceFacts>
      {found.kind === 'found' && found.info.software && (
        <p class="note device-note">
          This is a software adapter: its answers are right, its times say nothing about a GPU.
        </p>
      )}
      {settings && (
        <div class="blocks latency-blocks">
          <div class="latency-subject">
            <SubjectFields
              subject={settings.subject}
              address={settings.address}
              change={(part) => session.change(part)}
            />
          </div>
          <LanesPart session={session} settings={settings} />
          <SweepPart session={session} settings={settings} />
        </div>
      )}
    </ToolPage>
  );
}
