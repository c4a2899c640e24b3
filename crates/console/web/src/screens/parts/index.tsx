import { Boundary } from '../../parts/Boundary';
import { ChartStates } from './ChartStates';
import { FieldStates } from './FieldStates';
import { FrameStates } from './FrameStates';
import { TableStates } from './TableStates';
import { ThingStates } from './ThingStates';
import './parts.css';

/** All parts and charts in their states: for looking, and for axe. In development only. */
export default function Parts() {
  return (
    <main className="page parts-page" id="main">
      <h1>Parts</h1>
      {[ChartStates, ThingStates, FrameStates, FieldStates, TableStates].map((States) => (
        <Boundary key={States.name}>
          <States />
        </Boundary>
      ))}
    </main>
  );
}
