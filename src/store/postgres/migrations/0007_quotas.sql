-- The most that an org's live nodes may take in the fleet; NULL: no limit. What they take is summed
-- when it is asked for, and stored nowhere.
ALTER TABLE orgs ADD COLUMN quota_node_count bigint CHECK (quota_node_count >= 0);
ALTER TABLE orgs ADD COLUMN quota_cpu_cores bigint CHECK (quota_cpu_cores >= 0);
ALTER TABLE orgs ADD COLUMN quota_memory_bytes bigint CHECK (quota_memory_bytes >= 0);
ALTER TABLE orgs ADD COLUMN quota_disk_bytes bigint CHECK (quota_disk_bytes >= 0);
