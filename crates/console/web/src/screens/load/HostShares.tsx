import { Link } from 'wouter';
import type { ForecastBucket } from '../../api/queries/forecast';
import { Share } from '../../charts/Share';
import { count } from '../../format';
import { Section } from '../../parts/Section';
import { words } from '../../words/en/load';
import { hourWords } from './week';

/** Which hosts the chosen hour calls: the busiest five, and the others together. */
export function HostShares({ hour, zone }: { hour: ForecastBucket; zone: string }) {
  const others = hour.fires - hour.hosts.reduce((sum, it) => sum + it.fires, 0);
  return (
    <Section
      title={words.hostsAt(hourWords(hour.at, zone))}
      end={<span className="small dim">{words.runsIn(hour.fires)}</span>}
    >
      <ul className="who">
        {hour.hosts.map((it) => (
          <li key={it.host}>
            <Link className="cut" href={`/hosts/${encodeURIComponent(it.host)}`}>
              {it.host}
            </Link>
            <Share part={it.fires} whole={hour.fires} />
            <span className="num">{count(it.fires)}</span>
          </li>
        ))}
        {others > 0 && (
          <li>
            <span className="cut">{words.others}</span>
            <Share part={others} whole={hour.fires} />
            <span className="num">{count(others)}</span>
          </li>
        )}
      </ul>
    </Section>
  );
}
