import { useState } from 'react';
import { Clock } from '../../charts/Clock';
import { Course } from '../../charts/Course';
import { Heat, type HeatDay, HeatRamp } from '../../charts/Heat';
import { History } from '../../charts/History';
import { Lane } from '../../charts/Lane';
import { Lateness } from '../../charts/Lateness';
import { Ledger } from '../../charts/Ledger';
import { Legend } from '../../charts/Legend';
import { Minutes } from '../../charts/Minutes';
import { Phases } from '../../charts/Phases';
import { Share } from '../../charts/Share';
import { Spark } from '../../charts/Spark';
import { Strip } from '../../charts/Strip';
import { Timeline, type TimelineBucket } from '../../charts/Timeline';
import { duration } from '../../format';
import { Section } from '../../parts/Section';
import { Status } from '../../parts/Status';
import { someRuns } from './samples';

const TIMES = { dns: 2.9, connect: 12.1, tls: 21.4, wait: 311, body: 41 };
const BUCKETS: TimelineBucket[] = Array.from({ length: 96 }, (_, n) => ({
  at: `b${n}`,
  window: `bucket ${n}`,
  mark: n % 12 === 4 ? `${n}:00` : undefined,
  succeeded: n < 73 ? 300 + ((n * 53) % 250) : 0,
  failed: n > 61 && n < 74 ? 7 + n - 60 : 0,
  skipped: 0,
  planned: n >= 72 ? 350 + ((n * 31) % 200) : 0,
}));
const DAYS: HeatDay[] = Array.from({ length: 7 }, (_, day) => ({
  id: `d${day}`,
  name: ['Today', 'Fri', 'Sat', 'Sun', 'Mon', 'Tue', 'Wed'][day] ?? '',
  note: `${26 + day} Nov`,
  hours: Array.from({ length: 24 }, (_, hour) => {
    if (day === 0 && hour < 14) return null;
    const value = hour === 2 ? 214 : 20 + ((hour * 17 + day * 7) % 100);
    return {
      id: `d${day}h${hour}`,
      value,
      label: `day ${day}, ${hour}:00: at most ${value} runs in one minute`,
    };
  }),
}));
const MINUTES = Array.from({ length: 60 }, (_, n) => (n === 0 ? 214 : n % 5 === 0 ? 9 : 2));

/** Charts in their states. */
export function ChartStates() {
  const [cell, setCell] = useState('d1h2');
  const [attempt, setAttempt] = useState(3);
  return (
    <>
      <Section
        title="Strip and history"
        end={<Legend marks={['duration', 'retried', 'skipped', 'failed']} />}
      >
        <div className="shelf">
          <Strip runs={someRuns(30, 7)} places={30} />
          <Strip runs={someRuns(12, 3)} places={22} size="small" />
          <Strip runs={[]} places={30} />
          <Spark values={[1, 4, 2, null, 8, 3, 5]} />
          <Share part={187} whole={214} />
        </div>
        <History
          runs={someRuns(64, 13).map((run, n) => ({
            ...run,
            clock: `${String(n % 24).padStart(2, '0')}:00`,
          }))}
          places={64}
          label="Last 64 runs: the last 13 failed"
          since={{ id: 'exe_51', text: 'since 11:30' }}
        />
      </Section>
      <Section title="Timeline" end={<Legend marks={['succeeded', 'failed', 'upcoming']} />}>
        <Timeline title="Runs, past and upcoming" buckets={BUCKETS} now={72.5} nowLabel="now" />
      </Section>
      <Section title="Course" end={<Legend marks={['connection', 'wait', 'body', 'delay']} />}>
        <Course
          untilMs={3300}
          chosen={attempt}
          onChoose={setAttempt}
          attempts={[
            {
              number: 1,
              startMs: 0.4,
              durationMs: 224,
              phases: { ...TIMES, wait: 180, body: 6 },
              result: <Status glyph="bad">503</Status>,
            },
            {
              number: 2,
              startMs: 735,
              durationMs: 1206,
              phases: { dns: null, connect: null, tls: null, wait: 1200, body: 6 },
              result: <Status glyph="bad">503</Status>,
            },
            {
              number: 3,
              startMs: 2947,
              durationMs: null,
              phases: null,
              result: <Status glyph="run">running</Status>,
            },
          ]}
        />
      </Section>
      <Section title="Phases">
        <div className="two-up">
          <Phases
            attempt={3}
            times={{ ...TIMES, dns: null, connect: null, tls: null }}
            totalMs={352}
            reused
            baseline={{ dns: 2.9, connect: 12.1, tls: 21.4, wait: 164, body: 38, total: 239 }}
          />
          <div>
            <Phases attempt={1} times={TIMES} totalMs={388} reused={false} baseline={null} />
            <Lane times={TIMES} format={duration} />
          </div>
        </div>
      </Section>
      <Section title="Heat and minutes">
        <Heat days={DAYS} chosen={cell} onChoose={setCell} />
        <HeatRamp />
        <Minutes
          hour="02:00 to 02:59"
          minutes={MINUTES}
          after={MINUTES.map((it, n) => (n === 0 ? 27 : it + 3))}
          clock={(n) => `02:${String(n).padStart(2, '0')}`}
        />
        <Minutes
          hour="02:00 to 02:59"
          minutes={MINUTES}
          marked={30}
          height={54}
          clock={(n) => `02:${String(n).padStart(2, '0')}`}
        />
      </Section>
      <Section title="Lateness, clock, ledger">
        <div className="two-up">
          <Lateness
            histogram={[1, 2, 4, 8, 16, 32].map((it, n) => ({
              belowMs: it / 8,
              count: [2, 40, 90, 30, 4, 1][n] ?? 0,
            }))}
            p50={0.3}
            p99={2.1}
          />
          <Clock
            fromMinutes={120}
            byMinutes={60}
            effect="moved"
            label="02:30 does not exist; it runs at 03:00."
          />
          <Clock
            fromMinutes={180}
            byMinutes={-60}
            effect="once"
            label="02:30 comes twice; it runs the first time."
          />
          <Clock
            fromMinutes={120}
            byMinutes={60}
            effect="dropped"
            label="02:30 does not exist; it does not run."
          />
          <Ledger due={96} ran={94} skipped={2} pending={0} gaps={0} duplicates={0} />
          <Ledger due={96} ran={90} skipped={2} pending={1} gaps={3} duplicates={1} />
        </div>
      </Section>
    </>
  );
}
