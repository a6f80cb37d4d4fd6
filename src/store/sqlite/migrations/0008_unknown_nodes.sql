-- How many nodes the last status of a host named that are not its own; node_reports keeps a few of
-- them.
ALTER TABLE host_reports ADD COLUMN unknown_nodes INTEGER CHECK (unknown_nodes >= 0);
