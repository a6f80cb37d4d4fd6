-- The most that an org's live nodes may take in the fleet; NULL: no limit. What they take is summed
-- when it is asked for, and stored nowhere.
ALTER TABLE orgs ADD COLUMN quota_node_count INTEGER CHECK (quota_node_count >= 0);
ALTER TABLE orgs ADD COLUMN quota_cpu_cores INTEGER CHECK (quota_cpu_cores >= 0);
ALTER TABLE orgs ADD COLUMN quota_memory_bytes INTEGER CHECK (quota_memory_bytes >= 0);
ALTER TABLE orgs ADD COLUMN quota_disk_bytes INTEGER CHECK (quota_disk_bytes >= 0);
